select
    session_id,
    cast($night as date) as night
from staging.stg_shoppers__sessions
