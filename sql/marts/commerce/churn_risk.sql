-- Tonight's score of everybody who was scored: who bought within the year before, with what acting on it is worth: what a contact
-- keeps of the value at risk, less what it costs. The best of those who may be contacted get a contact, as many
-- as can be made and no one on whom it would lose money.
-- The joins are nested to the right so that an engine holds what is narrow and streams the rows with words past it.
with tonight as (
    select
        scores.customer_id,
        scores.night,
        scores.model_version,
        scores.probability,
        scores.tier,
        scores.value,
        scores.value_at_risk,
        concat_ws('; ', scores.reason_1_words, scores.reason_2_words, scores.reason_3_words) as why,
        concat_ws('; ', scores.reason_1_words_es, scores.reason_2_words_es, scores.reason_3_words_es) as why_es,
        features.days_since_last_order,
        features.orders,
        features.spend_365d,
        features.last_channel,
        features.acquisition_channel
    from features.customer_night as features
    inner join ml.churn_scores as scores
        on features.customer_id = scores.customer_id
        and features.night = scores.night
    where scores.night = $night
),

history as (
    select
        tonight.customer_id,
        scores.night,
        scores.tier is distinct from tonight.tier as is_other
    from tonight
    inner join ml.churn_scores as scores
        on scores.customer_id = tonight.customer_id
    where scores.night <= $night and scores.night > $night - 90
),

others as (
    select
        customer_id,
        max(case when is_other then night end) as last_other_night
    from history
    group by customer_id
),

since as (
    select
        history.customer_id,
        min(history.night) as tier_since
    from history
    inner join others
        on others.customer_id = history.customer_id
    where others.last_other_night is null or history.night > others.last_other_night
    group by history.customer_id
),

worth as (
    select
        tonight.customer_id,
        cast(
            cast(tonight.value_at_risk as double) * terms.saved_share - cast(terms.contact_cost as double)
            as decimal(18, 2)
        ) as contact_gain,
        terms.capacity,
        versions.horizon_days,
        coalesce(customers.consent_email, true) or coalesce(customers.consent_sms, true) as may_be_contacted
    from tonight
    cross join core.contact_terms as terms
    left join ml.model_versions as versions
        on versions.model = 'churn'
        and versions.night = $night
    left join core.dim_customer as customers
        on customers.customer_id = tonight.customer_id
),

ranked as (
    select
        customer_id,
        contact_gain,
        capacity,
        horizon_days,
        may_be_contacted,
        row_number() over (
            order by may_be_contacted desc nulls last, contact_gain desc nulls last, customer_id nulls last
        ) as place
    from worth
)

select
    tonight.customer_id,
    tonight.night,
    ranked.horizon_days,
    tonight.probability as churn_probability,
    1 - tonight.probability as buy_probability,
    tonight.tier,
    since.tier_since,
    tonight.value as expected_margin,
    tonight.value_at_risk,
    ranked.contact_gain,
    ranked.may_be_contacted,
    case
        when ranked.may_be_contacted and ranked.contact_gain > 0 and ranked.place <= ranked.capacity then 'contact'
        when ranked.may_be_contacted and ranked.contact_gain > 0 then 'no capacity'
        when ranked.contact_gain > 0 then 'no consent'
        else 'not worth it'
    end as advice,
    tonight.why,
    tonight.why_es,
    tonight.days_since_last_order,
    tonight.orders,
    tonight.spend_365d,
    tonight.last_channel,
    tonight.acquisition_channel,
    cast(date_trunc('month', firsts.first_order_on) as date) as cohort_month,
    tonight.model_version
from
    core.int_customer_firsts as firsts
    right join (
        since
        right join (
            ranked
            right join tonight
                on ranked.customer_id = tonight.customer_id
        )
            on since.customer_id = tonight.customer_id
    )
        on firsts.customer_id = tonight.customer_id
