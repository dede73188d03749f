-- A count is delivered once; a corrected file replaces its own rows.
select
    day,
    product_id,
    location,
    on_hand,
    reserved,
    reorder_point
from bronze.inventory_snapshots
