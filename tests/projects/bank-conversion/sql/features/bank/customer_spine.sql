select
    customer_id,
    cast($night as date) as night
from staging.stg_bank__calls
