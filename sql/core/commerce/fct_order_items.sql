-- A line counts when its order is known; an audit tells of lines whose order never came. Amounts keep four
-- decimals: rounding each line to cents would lose money in the sum. A discount on the order as a whole is spread
-- over its lines by their value, each share rounded to cents; the last line takes what rounding leaves, so that
-- the cents of an order always add up. Cents are rounded by floor, because engines round a cast of halves
-- differently. A delivery of an order or of one of its lines brings all lines of the order anew.
with deliveries as (
    select order_id, delivered_on
    from staging.stg_shop__order_deliveries
    where delivered_on >= $window_start and delivered_on < $window_end
    union all
    select order_id, delivered_on
    from staging.stg_shop__order_items
    where delivered_on >= $window_start and delivered_on < $window_end
),

touched as (
    select order_id, max(delivered_on) as changed_on
    from deliveries
    group by order_id
),

lines as (
    select
        orders.order_id,
        items.line_number,
        orders.customer_id,
        cast(orders.ordered_at as date) as ordered_on,
        orders.channel,
        orders.sales_type,
        orders.status is distinct from 'cancelled' as is_sale,
        coalesce(orders.discount_amount, 0) as order_discount_amount,
        items.product_id,
        items.quantity,
        cast(items.quantity * items.unit_price as decimal(18, 4)) as list_amount,
        coalesce(items.discount_amount, 0) as line_discount_amount,
        touched.changed_on
    from touched
    inner join staging.stg_shop__orders as orders
        on orders.order_id = touched.order_id
    inner join staging.stg_shop__order_items as items
        on items.order_id = orders.order_id
),

weighed as (
    select
        order_id, line_number, customer_id, ordered_on, channel, sales_type, is_sale, product_id, quantity,
        list_amount, line_discount_amount, order_discount_amount,
        list_amount - line_discount_amount as line_amount,
        sum(list_amount - line_discount_amount) over (partition by order_id) as order_amount,
        max(line_number) over (partition by order_id) as last_line_number,
        changed_on
    from lines
    where order_discount_amount <> 0
),

shares as (
    select
        order_id, line_number, customer_id, ordered_on, channel, sales_type, is_sale, product_id, quantity,
        list_amount, line_discount_amount, order_discount_amount, last_line_number, changed_on,
        cast(floor(coalesce(
            cast(order_discount_amount as double) * cast(line_amount as double)
            / nullif(cast(order_amount as double), 0), 0
        ) * 100 + 0.5) as bigint) * cast('0.01' as decimal(18, 2)) as share_amount
    from weighed
),

discounted as (
    select
        order_id, line_number, customer_id, ordered_on, channel, sales_type, is_sale, product_id, quantity, list_amount,
        cast(
            line_discount_amount + share_amount
            + case
                when line_number = last_line_number
                    then order_discount_amount - sum(share_amount) over (partition by order_id)
                else 0
            end as decimal(18, 2)
        ) as discount_amount,
        changed_on
    from shares
    union all
    select
        order_id, line_number, customer_id, ordered_on, channel, sales_type, is_sale, product_id, quantity, list_amount,
        cast(line_discount_amount as decimal(18, 2)) as discount_amount,
        changed_on
    from lines
    where order_discount_amount = 0
)

select
    discounted.order_id,
    discounted.line_number,
    discounted.customer_id,
    discounted.ordered_on,
    cast(date_trunc('month', discounted.ordered_on) as date) as ordered_month,
    discounted.channel,
    discounted.sales_type,
    discounted.is_sale,
    discounted.product_id,
    products.category,
    discounted.quantity,
    discounted.list_amount,
    discounted.discount_amount,
    cast(discounted.list_amount - discounted.discount_amount as decimal(18, 4)) as gross_amount,
    cast(
        case when discounted.is_sale then discounted.list_amount - discounted.discount_amount else 0 end
        as decimal(18, 4)
    ) as gross_revenue,
    cast(
        case when discounted.is_sale then discounted.quantity * products.unit_cost end as decimal(18, 4)
    ) as cost_amount,
    discounted.changed_on
from discounted
left join core.dim_product as products
    on products.product_id = discounted.product_id
