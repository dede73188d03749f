select
    entry_id,
    customer_id,
    occurred_at,
    cast(occurred_at as date) as occurred_on,
    points,
    reason
from staging.stg_shop__loyalty_points
