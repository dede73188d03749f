-- Reserved units are in the building but already sold: what can be promised is the rest.
select
    day,
    product_id,
    coalesce(location, 'main') as location,
    on_hand,
    reserved,
    cast(on_hand - coalesce(reserved, 0) as integer) as available,
    reorder_point
from staging.stg_shop__inventory_snapshots
