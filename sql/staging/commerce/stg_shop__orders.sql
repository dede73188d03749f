-- The newest delivery of an order wins as a whole: its status is the last one exported.
with deliveries as (
    select
        order_id,
        customer_id,
        ordered_at,
        status,
        channel,
        sales_type,
        utm_source,
        utm_campaign,
        coupon_code,
        country,
        discount_amount,
        shipping_amount,
        tax_amount,
        total_amount,
        row_number() over (
            partition by order_id
            order by _delivery desc nulls last, _record desc nulls last
        ) as recency
    from bronze.orders
)

select
    order_id,
    customer_id,
    ordered_at,
    lower(trim(status)) as status,
    lower(trim(channel)) as channel,
    lower(trim(sales_type)) as sales_type,
    lower(trim(utm_source)) as utm_source,
    utm_campaign,
    coupon_code,
    upper(trim(country)) as country,
    discount_amount,
    shipping_amount,
    tax_amount,
    total_amount
from deliveries
where recency = 1
