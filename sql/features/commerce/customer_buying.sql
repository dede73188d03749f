-- Facts are joined by customer and by the day they happened, never by the parameter: a spine of many nights gives
-- many nights' features in one pass. A window of 30 days is the night and the 29 days before it.
-- A day's next one tells all of gaps and of the last order: a gap is there once its end is, and a day is the last
-- while its next one is to come. Backwards, so that the next day is the row before.
with purchases as (
    select
        customer_id, day, orders, lines, units, amount, discount_amount, coupon_orders, app_orders, online_orders,
        morning_orders, evening_orders, hours, last_channel, last_sales_type,
        case when extract(dow from day) in (0, 6) then orders else 0 end as weekend_orders,
        lag(day) over (partition by customer_id order by day desc nulls last) as next_day
    from core.int_order_days
),

aged_purchases as (
    select
        spine.customer_id, spine.night, purchases.day, purchases.orders, purchases.units,
        purchases.amount, purchases.discount_amount, purchases.coupon_orders, purchases.app_orders,
        purchases.online_orders, purchases.morning_orders, purchases.evening_orders, purchases.hours,
        purchases.weekend_orders, purchases.last_channel, purchases.last_sales_type,
        cast(spine.night - purchases.day as integer) as age,
        purchases.next_day is null or purchases.next_day > spine.night as is_last,
        case when purchases.next_day <= spine.night then cast(purchases.next_day - purchases.day as integer) end as gap
    from features.customer_spine as spine
    inner join purchases
        on purchases.customer_id = spine.customer_id
        and purchases.day <= spine.night
)

select
    customer_id,
    night,
    max(day) as last_order_on,
    cast(sum(orders) as integer) as orders,
    cast(sum(case when age < 30 then orders else 0 end) as integer) as orders_30d,
    cast(sum(case when age < 90 then orders else 0 end) as integer) as orders_90d,
    cast(sum(case when age >= 90 and age < 180 then orders else 0 end) as integer) as orders_before_90d,
    cast(sum(case when age < 365 then orders else 0 end) as integer) as orders_365d,
    cast(sum(amount) as decimal(18, 4)) as spend,
    cast(sum(case when age < 30 then amount else 0 end) as decimal(18, 4)) as spend_30d,
    cast(sum(case when age < 90 then amount else 0 end) as decimal(18, 4)) as spend_90d,
    cast(sum(case when age >= 90 and age < 180 then amount else 0 end) as decimal(18, 4)) as spend_before_90d,
    cast(sum(case when age < 365 then amount else 0 end) as decimal(18, 4)) as spend_365d,
    cast(max(case when is_last then amount end) as decimal(18, 4)) as last_order_amount,
    cast(sum(units) as bigint) as units,
    cast(sum(case when age < 365 then discount_amount else 0 end) as decimal(18, 2)) as discount_365d,
    cast(sum(case when age < 90 then discount_amount else 0 end) as decimal(18, 2)) as discount_90d,
    cast(sum(case when age < 365 then coupon_orders else 0 end) as integer) as coupon_orders_365d,
    cast(sum(app_orders) as integer) as app_orders,
    cast(sum(online_orders) as integer) as online_orders,
    cast(sum(morning_orders) as integer) as morning_orders,
    cast(sum(evening_orders) as integer) as evening_orders,
    cast(sum(weekend_orders) as integer) as weekend_orders,
    cast(sum(hours) as integer) as hours,
    max(case when is_last then last_channel end) as last_channel,
    max(case when is_last then last_sales_type end) as last_sales_type,
    cast(count(gap) as integer) as gaps,
    cast(sum(gap) as bigint) as gap_days,
    cast(sum(cast(gap as bigint) * gap) as bigint) as squared_gap_days,
    cast(max(gap) as integer) as longest_gap_days,
    cast(max(day) - max(case when not is_last then day end) as integer) as last_gap_days
from aged_purchases
group by customer_id, night
