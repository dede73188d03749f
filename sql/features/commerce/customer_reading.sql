-- What a customer did since the last order tells whether a silent one still looks in.
-- It is joined to the spine beforehand, not to the many rows of what was done.
with aged_messages as (
    select
        spine.customer_id, spine.night, messages.day, messages.sent, messages.opened, messages.clicked, messages.refused,
        cast(spine.night - messages.day as integer) as age,
        messages.day > spine.last_order_on as is_since_order
    from features.customer_last_orders as spine
    inner join core.int_message_days as messages
        on messages.customer_id = spine.customer_id
        and messages.day <= spine.night
        and spine.night - messages.day < 365
)

select
    customer_id,
    night,
    max(case when opened > 0 then day end) as last_opened_on,
    cast(sum(case when age < 30 then sent else 0 end) as integer) as sent_30d,
    cast(sum(case when age < 90 then sent else 0 end) as integer) as sent_90d,
    cast(sum(case when age >= 90 and age < 180 then sent else 0 end) as integer) as sent_before_90d,
    cast(sum(sent) as integer) as sent_365d,
    cast(sum(case when is_since_order then sent else 0 end) as integer) as sent_since_order,
    cast(sum(case when age < 30 then opened else 0 end) as integer) as opened_30d,
    cast(sum(case when age < 90 then opened else 0 end) as integer) as opened_90d,
    cast(sum(case when age >= 90 and age < 180 then opened else 0 end) as integer) as opened_before_90d,
    cast(sum(opened) as integer) as opened_365d,
    cast(sum(case when is_since_order then opened else 0 end) as integer) as opened_since_order,
    cast(sum(case when age < 90 then clicked else 0 end) as integer) as clicked_90d,
    cast(sum(clicked) as integer) as clicked_365d,
    cast(max(refused) as integer) as refused_365d
from aged_messages
group by customer_id, night
