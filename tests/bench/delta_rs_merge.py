"""delta-rs's own merge of a delivery into a table: `python delta_rs_merge.py TABLE DELIVERY NIGHT`.

A process of its own, so that its memory is its own, and limited: past the limit an allocation fails.
"""

import resource
import sys
from datetime import date

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

LIMIT_BYTES = 16 * 1024**3


def main(table: str, delivery: str, night: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    rows = pq.read_table(delivery)
    delivered = pa.array([date.fromisoformat(night)] * len(rows), pa.date32())
    merge = deltalake.DeltaTable(table).merge(
        rows.append_column("delivered_on", delivered),
        predicate="old.id = new.id",
        source_alias="new",
        target_alias="old",
    )
    print(merge.when_matched_update_all().when_not_matched_insert_all().execute())


if __name__ == "__main__":
    main(*sys.argv[1:])
