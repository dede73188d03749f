-- What happens to a message counts on the day it was sent, so a rate compares like with like.
with campaigns as (
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
    from core.int_messages
    where day >= $window_start and day < $window_end
    group by day, medium, coalesce(campaign_id, 'none')
),

flagged as (
    select
        campaigns.day,
        campaigns.medium,
        campaigns.campaign_id,
        campaigns.sent,
        case when media.has_deliveries then campaigns.delivered end as delivered,
        case when campaigns.medium = 'email' then campaigns.opened end as opened,
        campaigns.clicked,
        campaigns.bounced,
        campaigns.unsubscribed,
        campaigns.complained
    from campaigns
    left join core.int_media as media
        on media.medium = campaigns.medium
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
