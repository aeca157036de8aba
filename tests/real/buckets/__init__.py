"""What the lanes of blobs in a bucket share, S3's and that of the other clouds: their servers' base, the wire with
faults, and what a store must do on each of them (`faults`, `store`, `whole_way`).
"""

import pytest

pytest.register_assert_rewrite("tests.real.buckets.faults", "tests.real.buckets.store", "tests.real.buckets.whole_way")
