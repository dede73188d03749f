-- What happens to a message counts on the day it happened, once a day: a past night knew of no later opening.
with messages as (
    select
        customer_id,
        occurred_on as day,
        message_id,
        max(case when event_type = 'sent' then 1 else 0 end) as sent,
        max(case when event_type in ('opened', 'clicked') then 1 else 0 end) as opened,
        max(case when event_type = 'clicked' then 1 else 0 end) as clicked,
        max(case when event_type in ('unsubscribed', 'complained') then 1 else 0 end) as refused
    from core.fct_email_events
    where customer_id is not null and medium = 'email'
        and occurred_on >= $window_start and occurred_on < $window_end
    group by customer_id, occurred_on, message_id
)

select
    customer_id,
    day,
    cast(date_trunc('month', day) as date) as month,
    cast(sum(sent) as integer) as sent,
    cast(sum(opened) as integer) as opened,
    cast(sum(clicked) as integer) as clicked,
    cast(sum(refused) as integer) as refused
from messages
group by customer_id, day
