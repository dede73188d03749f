-- Open carts are left out of the rates: they may still become orders. On the night's own day no cart can be
-- abandoned yet, so a rate would count successes only and is absent.
with days as (
    select
        created_on as day,
        count(*) as carts,
        sum(case when outcome = 'converted' then 1 else 0 end) as converted_carts,
        sum(case when outcome = 'abandoned' then 1 else 0 end) as abandoned_carts,
        sum(case when outcome = 'open' then 1 else 0 end) as open_carts,
        sum(case when reached_checkout and outcome = 'converted' then 1 else 0 end) as completed_checkouts,
        sum(case when reached_checkout and outcome = 'abandoned' then 1 else 0 end) as abandoned_checkouts,
        sum(case when outcome = 'abandoned' then value_amount end) as abandoned_amount,
        sum(case when outcome = 'converted' then value_amount end) as converted_amount,
        count(checkout_started_at) as timed_checkouts,
        count(value_amount) as valued_carts
    from core.fct_carts
    group by created_on
),

flagged as (
    select
        day,
        carts,
        converted_carts,
        abandoned_carts,
        open_carts,
        completed_checkouts,
        abandoned_checkouts,
        abandoned_amount,
        converted_amount,
        sum(timed_checkouts) over () > 0 as has_checkouts,
        sum(valued_carts) over () > 0 as has_values
    from days
)

select
    day,
    carts,
    cast(converted_carts as bigint) as converted_carts,
    cast(abandoned_carts as bigint) as abandoned_carts,
    cast(open_carts as bigint) as open_carts,
    case when day < $night then
        cast(abandoned_carts as double) / nullif(cast(abandoned_carts + converted_carts as double), 0)
    end as abandonment_rate,
    cast(case when has_checkouts then abandoned_checkouts end as bigint) as abandoned_checkouts,
    case when has_checkouts and day < $night then
        cast(completed_checkouts as double)
        / nullif(cast(completed_checkouts + abandoned_checkouts as double), 0)
    end as checkout_completion_rate,
    cast(case when has_values then coalesce(abandoned_amount, 0) end as decimal(18, 2)) as abandoned_amount,
    cast(case when has_values then coalesce(converted_amount, 0) end as decimal(18, 2)) as converted_amount
from flagged
