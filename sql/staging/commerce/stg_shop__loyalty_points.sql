-- An entry is delivered once.
select
    entry_id,
    customer_id,
    occurred_at,
    points,
    lower(trim(reason)) as reason
from bronze.loyalty_points
