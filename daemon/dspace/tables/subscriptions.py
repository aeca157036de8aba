"""Who is mailed about what is new in an object, and how often."""

from __future__ import annotations

from daemon.dspace.tables.words import CASCADE, Definer, foreign, index, integer, uuid, varchar

# fmt: off


def define(t: Definer) -> None:
    """Add these tables."""
    t("subscription",
      integer("subscription_id", key=True),
      uuid("eperson_id", to="eperson.uuid"),
      uuid("dspace_object_id"),
      varchar("type", 255),
      foreign("dspace_object_id", to="dspaceobject.uuid", name="subscription_dspaceobject_fkey"),
      index("subscription_person", "eperson_id"))

    t("subscription_parameter",
      integer("subscription_parameter_id", key=True),
      varchar("name", 255),
      varchar("value", 255),
      integer("subscription_id", null=False),
      foreign("subscription_id", to="subscription.subscription_id", on_delete=CASCADE,
              name="subscription_parameter_subscription_fkey"))
