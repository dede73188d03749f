with reached as (
    select
        campaign_id,
        count(distinct household_id) as households
    from staging.stg_journey__campaign_households
    group by campaign_id
),

redeemed as (
    select
        campaign_id,
        count(*) as redemptions,
        count(distinct household_id) as households
    from staging.stg_journey__coupon_redemptions
    group by campaign_id
)

select
    campaigns.campaign_id,
    campaigns.campaign_type,
    campaigns.started_on,
    campaigns.ended_on,
    cast(coalesce(reached.households, 0) as bigint) as households_reached,
    cast(coalesce(redeemed.households, 0) as bigint) as households_redeeming,
    cast(coalesce(redeemed.redemptions, 0) as bigint) as redemptions,
    cast(coalesce(redeemed.households, 0) as double) / nullif(cast(reached.households as double), 0) as redeeming_rate
from staging.stg_journey__campaigns as campaigns
left join reached
    on reached.campaign_id = campaigns.campaign_id
left join redeemed
    on redeemed.campaign_id = campaigns.campaign_id
where campaigns.started_on <= $night
