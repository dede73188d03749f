-- Tonight's customers in tenths by their risk: what contacting the riskiest tenth, two tenths, … would cost and keep,
-- beside what came of the same tenth on the last night whose horizon has passed.
with ranked as (
    select
        night,
        horizon_days,
        cast(churn_probability as decimal(18, 9)) as probability,
        value_at_risk,
        ntile(10) over (order by churn_probability desc nulls last, customer_id nulls last) as decile
    from marts.churn_risk
),

deciles as (
    select
        decile,
        max(night) as night,
        max(horizon_days) as horizon_days,
        count(*) as customers,
        min(probability) as lowest_probability,
        sum(probability) as expected_churners,
        sum(coalesce(value_at_risk, 0)) as value_at_risk
    from ranked
    group by decile
),

gains as (
    select
        decile,
        night,
        horizon_days,
        customers,
        lowest_probability,
        expected_churners,
        value_at_risk,
        sum(customers) over (order by decile nulls last) as customers_so_far,
        sum(expected_churners) over (order by decile nulls last) as churners_so_far,
        sum(value_at_risk) over (order by decile nulls last) as value_so_far,
        sum(customers) over () as all_customers,
        sum(expected_churners) over () as all_churners
    from deciles
),

judged_nights as (
    select
        night,
        version,
        row_number() over (order by night desc nulls last, version desc nulls last) as recency
    from ml.outcomes
    where model = 'churn' and night <= $night
    group by night, version
),

-- One night alone: a tenth that it has not, for many scores were equal, is not another night's.
judged as (
    select
        outcomes.night,
        outcomes.decile,
        outcomes.mean_label,
        outcomes.lift
    from ml.outcomes as outcomes
    inner join judged_nights
        on judged_nights.night = outcomes.night
        and judged_nights.version = outcomes.version
    where outcomes.model = 'churn' and judged_nights.recency = 1
)

select
    cast(gains.decile as integer) as decile,
    gains.night,
    gains.horizon_days,
    gains.customers,
    cast(gains.lowest_probability as double) as lowest_probability,
    cast(gains.expected_churners as decimal(18, 4)) as expected_churners,
    cast(gains.expected_churners as double) / nullif(cast(gains.customers as double), 0) as expected_churn_rate,
    cast(gains.expected_churners as double) / nullif(cast(gains.customers as double), 0)
    / nullif(cast(gains.all_churners as double) / nullif(cast(gains.all_customers as double), 0), 0) as expected_lift,
    cast(gains.churners_so_far as double) / nullif(cast(gains.all_churners as double), 0) as share_of_churners,
    cast(gains.value_at_risk as decimal(18, 2)) as value_at_risk,
    cast(gains.customers_so_far * terms.contact_cost as decimal(18, 2)) as contact_cost_so_far,
    cast(cast(gains.value_so_far as double) * terms.saved_share as decimal(18, 2)) as saved_so_far,
    cast(
        cast(gains.value_so_far as double) * terms.saved_share
        - cast(gains.customers_so_far * terms.contact_cost as double) as decimal(18, 2)
    ) as profit_so_far,
    judged.night as judged_night,
    judged.mean_label as judged_churn_rate,
    judged.lift as judged_lift
from gains
cross join core.contact_terms as terms
left join judged
    on judged.decile = gains.decile
