-- What happens to a message counts once however often it happens, on the day it was sent; one whose sending was
-- not exported was sent by its first event. A night's events bring their messages anew, with all that was known.
select
    message_id,
    min(medium) as medium,
    max(campaign_id) as campaign_id,
    coalesce(
        min(case when event_type = 'sent' then cast(occurred_at as date) end),
        min(cast(occurred_at as date))
    ) as day,
    cast(date_trunc('month', coalesce(
        min(case when event_type = 'sent' then cast(occurred_at as date) end),
        min(cast(occurred_at as date))
    )) as date) as month,
    cast(max(case when event_type = 'delivered' then 1 else 0 end) as integer) as delivered,
    cast(max(case when event_type in ('opened', 'clicked') then 1 else 0 end) as integer) as opened,
    cast(max(case when event_type = 'clicked' then 1 else 0 end) as integer) as clicked,
    cast(max(case when event_type = 'bounced' then 1 else 0 end) as integer) as bounced,
    cast(max(case when event_type = 'unsubscribed' then 1 else 0 end) as integer) as unsubscribed,
    cast(max(case when event_type = 'complained' then 1 else 0 end) as integer) as complained,
    max(delivered_on) as changed_on
from staging.stg_shop__messages
where message_id in (
    select news.message_id
    from staging.stg_shop__messages as news
    where news.delivered_on >= $window_start and news.delivered_on < $window_end
)
group by message_id
having max(delivered_on) < $window_end
