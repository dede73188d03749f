select
    customer_id,
    ordered_month as month,
    count(*) as orders,
    cast(sum(gross_revenue) as decimal(18, 4)) as gross_revenue,
    min(ordered_on) as first_order_on,
    max(ordered_on) as last_order_on
from core.fct_orders
where is_sale and customer_id is not null
group by customer_id, ordered_month
