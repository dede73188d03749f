-- An order whose lines were not delivered is worth its total less shipping and tax; one that has lines
-- is worth its lines, so that revenue by order and revenue by product agree.
with orders as (
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
        coalesce(discount_amount, 0) as discount_amount,
        shipping_amount,
        tax_amount,
        total_amount,
        status is distinct from 'cancelled' as is_sale
    from staging.stg_shop__orders
    where ordered_at >= $window_start and ordered_at < $window_end
),

lines as (
    select
        order_id,
        count(*) as lines,
        sum(quantity) as units,
        sum(discount_amount) as discount_amount,
        sum(gross_amount) as gross_amount
    from core.fct_order_items
    where ordered_on >= $window_start and ordered_on < $window_end
    group by order_id
),

valued as (
    select
        orders.order_id,
        orders.customer_id,
        orders.ordered_at,
        orders.status,
        orders.is_sale,
        orders.channel,
        orders.sales_type,
        orders.utm_source,
        orders.utm_campaign,
        orders.coupon_code,
        orders.country,
        lines.lines,
        lines.units,
        coalesce(lines.discount_amount, orders.discount_amount) as discount_amount,
        coalesce(
            lines.gross_amount,
            orders.total_amount - coalesce(orders.shipping_amount, 0) - coalesce(orders.tax_amount, 0)
        ) as gross_amount,
        orders.shipping_amount,
        orders.tax_amount,
        orders.total_amount
    from orders
    left join lines
        on lines.order_id = orders.order_id
)

select
    order_id,
    customer_id,
    ordered_at,
    cast(ordered_at as date) as ordered_on,
    cast(date_trunc('month', ordered_at) as date) as ordered_month,
    status,
    is_sale,
    channel,
    sales_type,
    utm_source,
    utm_campaign,
    coupon_code,
    country,
    cast(lines as integer) as lines,
    cast(units as bigint) as units,
    cast(discount_amount as decimal(18, 2)) as discount_amount,
    cast(gross_amount as decimal(18, 4)) as gross_amount,
    cast(case when is_sale then gross_amount else 0 end as decimal(18, 4)) as gross_revenue,
    shipping_amount,
    tax_amount,
    total_amount
from valued
