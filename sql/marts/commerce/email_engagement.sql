-- What happens to a message counts on the day it was sent, so a rate compares like with like. A message
-- counts once however often it is opened; one whose sending was not exported was sent by its first event.
with messages as (
    select
        message_id,
        min(medium) as medium,
        max(campaign_id) as campaign_id,
        coalesce(
            min(case when event_type = 'sent' then occurred_on end),
            min(occurred_on)
        ) as day,
        max(case when event_type = 'delivered' then 1 else 0 end) as delivered,
        max(case when event_type in ('opened', 'clicked') then 1 else 0 end) as opened,
        max(case when event_type = 'clicked' then 1 else 0 end) as clicked,
        max(case when event_type = 'bounced' then 1 else 0 end) as bounced,
        max(case when event_type = 'unsubscribed' then 1 else 0 end) as unsubscribed,
        max(case when event_type = 'complained' then 1 else 0 end) as complained
    from core.fct_email_events
    group by message_id
),

campaigns as (
    select
        day,
        medium,
        coalesce(campaign_id, 'none') as campaign_id,
        count(*) as sent,
        sum(delivered) as delivered,
        sum(opened) as opened,
        sum(clicked) as clicked,
        sum(bounced) as bounced,
        sum(unsubscribed) as unsubscribed,
        sum(complained) as complained
    from messages
    group by day, medium, coalesce(campaign_id, 'none')
),

flagged as (
    select
        day,
        medium,
        campaign_id,
        sent,
        case when sum(delivered) over (partition by medium) > 0 then delivered end as delivered,
        case when medium = 'email' then opened end as opened,
        clicked,
        bounced,
        unsubscribed,
        complained
    from campaigns
)

select
    day,
    medium,
    campaign_id,
    sent,
    cast(delivered as bigint) as delivered,
    cast(opened as bigint) as opened,
    cast(clicked as bigint) as clicked,
    cast(bounced as bigint) as bounced,
    cast(unsubscribed as bigint) as unsubscribed,
    cast(complained as bigint) as complained,
    cast(delivered as double) / nullif(cast(sent as double), 0) as delivery_rate,
    cast(opened as double) / nullif(cast(sent as double), 0) as open_rate,
    cast(clicked as double) / nullif(cast(sent as double), 0) as click_rate,
    cast(clicked as double) / nullif(cast(opened as double), 0) as click_to_open_rate,
    cast(bounced as double) / nullif(cast(sent as double), 0) as bounce_rate,
    cast(unsubscribed as double) / nullif(cast(sent as double), 0) as unsubscribe_rate,
    cast(complained as double) / nullif(cast(sent as double), 0) as complaint_rate
from flagged
