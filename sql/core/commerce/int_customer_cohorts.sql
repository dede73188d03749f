-- The month a customer registered is theirs even if they bought before, as a guest; who never
-- registered starts with the first purchase; who did neither belongs to no cohort.
select
    customers.customer_id,
    cast(date_trunc('month', purchases.first_order_on) as date) as purchase_cohort_month,
    cast(date_trunc('month', coalesce(customers.registered_on, purchases.first_order_on)) as date) as registration_cohort_month,
    coalesce(customers.acquisition_channel, 'unknown') as acquisition_channel,
    case
        when purchases.customer_id is null then 'none'
        else coalesce(purchases.first_channel, 'unknown')
    end as sales_channel,
    case
        when purchases.customer_id is null then 'none'
        else coalesce(purchases.first_category, 'unknown')
    end as first_category
from core.dim_customer as customers
left join core.int_customer_first_purchases as purchases
    on purchases.customer_id = customers.customer_id
where customers.registered_on is not null or purchases.customer_id is not null
