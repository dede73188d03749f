select
    basket_id as order_id,
    max(household_id) as customer_id,
    min(transacted_at) as ordered_at,
    'delivered' as status,
    'store' as channel,
    'b2c' as sales_type,
    cast(null as varchar) as utm_source,
    cast(null as varchar) as utm_campaign,
    cast(null as varchar) as coupon_code,
    'US' as country,
    cast(null as decimal(18, 2)) as discount_amount,
    cast(null as decimal(18, 2)) as shipping_amount,
    cast(null as decimal(18, 2)) as tax_amount,
    cast(sum(paid_amount) as decimal(18, 2)) as total_amount,
    cast(date_trunc('month', min(transacted_at)) as date) as ordered_month,
    max(delivered_on) as delivered_on,
    cast(null as bigint) as version
from staging.stg_journey__lines
group by basket_id
