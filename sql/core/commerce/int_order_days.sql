-- What was ordered, whatever became of it: a cancellation has no day of its own in the export, so a past night
-- could not have known which of its orders would stand. Of two orders of the same instant the last by number.
with orders as (
    select
        customer_id,
        ordered_on as day,
        channel,
        sales_type,
        coupon_code,
        lines,
        units,
        gross_amount,
        discount_amount,
        cast(extract(hour from ordered_at) as integer) as hour,
        row_number() over (
            partition by customer_id, ordered_on order by ordered_at desc nulls last, order_id desc nulls last
        ) as recency
    from core.fct_orders
    where customer_id is not null
        and ordered_on >= $window_start and ordered_on < $window_end
)

select
    customer_id,
    day,
    cast(date_trunc('month', day) as date) as month,
    cast(count(*) as integer) as orders,
    cast(sum(lines) as integer) as lines,
    cast(sum(units) as bigint) as units,
    cast(sum(gross_amount) as decimal(18, 4)) as amount,
    cast(sum(discount_amount) as decimal(18, 2)) as discount_amount,
    cast(count(coupon_code) as integer) as coupon_orders,
    cast(sum(case when channel = 'app' then 1 else 0 end) as integer) as app_orders,
    cast(sum(case when channel in ('web', 'app') then 1 else 0 end) as integer) as online_orders,
    cast(sum(case when hour < 12 then 1 else 0 end) as integer) as morning_orders,
    cast(sum(case when hour >= 18 then 1 else 0 end) as integer) as evening_orders,
    cast(sum(hour) as integer) as hours,
    max(case when recency = 1 then channel end) as last_channel,
    max(case when recency = 1 then sales_type end) as last_sales_type
from orders
group by customer_id, day
