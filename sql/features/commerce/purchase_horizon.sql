-- Four of five gaps between a customer's purchases are at most so long: who is silent for longer is slow by the
-- habits of this business. The nearest whole months, so that it does not move every night; two customers who came
-- back are not a habit, so a shop without 100 gaps gets 90 days.
with sales as (
    select
        customer_id,
        ordered_on as day
    from core.fct_orders
    where is_sale and customer_id is not null and ordered_on <= $night
    group by customer_id, ordered_on
),

purchases as (
    select
        customer_id,
        cast(day - lag(day) over (partition by customer_id order by day nulls last) as integer) as gap_days
    from sales
),

lengths as (
    select
        gap_days,
        count(*) as gaps
    from purchases
    where gap_days is not null
    group by gap_days
),

ranked as (
    select
        gap_days,
        sum(gaps) over (order by gap_days nulls last) as gaps_so_far,
        sum(gaps) over () as gaps
    from lengths
),

usual as (
    select
        coalesce(max(gaps), 0) as gaps,
        min(case when gaps_so_far * 5 >= gaps * 4 then gap_days end) as long_gap_days
    from ranked
)

select
    cast(1 as integer) as id,
    cast(gaps as bigint) as gaps,
    long_gap_days,
    cast(case
        when gaps < 100 then 90
        when long_gap_days < 45 then 30
        when long_gap_days < 75 then 60
        when long_gap_days < 105 then 90
        when long_gap_days < 135 then 120
        when long_gap_days < 165 then 150
        else 180
    end as integer) as horizon_days
from usual
