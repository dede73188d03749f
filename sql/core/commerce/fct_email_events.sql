select
    event_id,
    message_id,
    customer_id,
    campaign_id,
    medium,
    event_type,
    occurred_at,
    cast(occurred_at as date) as occurred_on
from staging.stg_shop__messages
