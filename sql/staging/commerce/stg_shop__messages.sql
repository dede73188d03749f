-- The sending tool writes its own code words, so they are read as they are.
select
    event_id,
    message_id,
    customer_id,
    campaign_id,
    medium,
    event_type,
    occurred_at,
    _night as delivered_on
from bronze.messages
