-- Every split is a whole: choose one, never add over splits.
with customers as (
    select
        night,
        horizon_days,
        cast(churn_probability as decimal(18, 9)) as probability,
        tier,
        coalesce(value_at_risk, 0) as value_at_risk,
        advice,
        case
            when orders = 1 then '1 order'
            when orders <= 4 then '2 to 4 orders'
            else '5 orders or more'
        end as segment,
        coalesce(cast(cohort_month as varchar), 'unknown') as cohort,
        coalesce(last_channel, 'unknown') as channel,
        coalesce(acquisition_channel, 'unknown') as acquisition_channel
    from marts.churn_risk
),

splits as (
    select 'all' as split, 'all' as split_value, night, horizon_days, probability, tier, value_at_risk, advice
    from customers
    union all
    select 'segment', segment, night, horizon_days, probability, tier, value_at_risk, advice
    from customers
    union all
    select 'cohort', cohort, night, horizon_days, probability, tier, value_at_risk, advice
    from customers
    union all
    select 'channel', channel, night, horizon_days, probability, tier, value_at_risk, advice
    from customers
    union all
    select 'acquisition_channel', acquisition_channel, night, horizon_days, probability, tier, value_at_risk, advice
    from customers
)

select
    split,
    split_value,
    max(night) as night,
    max(horizon_days) as horizon_days,
    count(*) as customers,
    cast(sum(probability) as decimal(18, 4)) as expected_churners,
    cast(sum(probability) as double) / nullif(cast(count(*) as double), 0) as expected_churn_rate,
    cast(sum(case when tier = 'high' then 1 else 0 end) as bigint) as high_risk_customers,
    cast(sum(value_at_risk) as decimal(18, 2)) as value_at_risk,
    cast(sum(case when advice = 'contact' then 1 else 0 end) as bigint) as contacts
from splits
group by split, split_value
