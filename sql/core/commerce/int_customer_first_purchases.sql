-- The first sale of a customer is the first of their first month.
with first_months as (
    select
        customer_id,
        min(month) as month
    from core.int_customer_months
    group by customer_id
)

select
    months.customer_id,
    months.first_order_id,
    months.first_order_on,
    months.first_channel,
    months.first_category
from first_months
inner join core.int_customer_months as months
    on months.customer_id = first_months.customer_id
    and months.month = first_months.month
