"""Contents that are encrypted before they are kept."""
