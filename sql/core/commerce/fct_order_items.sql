-- A line counts when its order is known; an audit tells of lines whose order never came.
-- Amounts keep four decimals: rounding each line to cents would lose money in the sum.
with orders as (
    select
        order_id,
        customer_id,
        cast(ordered_at as date) as ordered_on,
        channel,
        sales_type,
        status is distinct from 'cancelled' as is_sale
    from staging.stg_shop__orders
),

lines as (
    select
        items.order_id,
        items.line_number,
        items.product_id,
        items.quantity,
        cast(items.quantity * items.unit_price as decimal(18, 4)) as list_amount,
        cast(
            coalesce(items.discount_amount, 0) + coalesce(discounts.order_discount_amount, 0) as decimal(18, 2)
        ) as discount_amount
    from staging.stg_shop__order_items as items
    left join core.int_order_discounts as discounts
        on discounts.order_id = items.order_id
        and discounts.line_number = items.line_number
)

select
    lines.order_id,
    lines.line_number,
    orders.customer_id,
    orders.ordered_on,
    orders.channel,
    orders.sales_type,
    orders.is_sale,
    lines.product_id,
    products.category,
    lines.quantity,
    lines.list_amount,
    lines.discount_amount,
    cast(lines.list_amount - lines.discount_amount as decimal(18, 4)) as gross_amount,
    cast(case when orders.is_sale then lines.list_amount - lines.discount_amount else 0 end as decimal(18, 4)) as gross_revenue,
    cast(case when orders.is_sale then lines.quantity * products.unit_cost end as decimal(18, 4)) as cost_amount
from lines
inner join orders
    on orders.order_id = lines.order_id
left join core.dim_product as products
    on products.product_id = lines.product_id
