-- When the account was opened and where the customer came from are facts of one day; the rest of a profile is
-- exported as it is today, and no past night knew it.
with activity as (
    select customer_id, min(day) as first_day, min(day) as first_order_on
    from core.int_order_days
    group by customer_id
    union all
    select customer_id, min(day) as first_day, null as first_order_on
    from core.int_visit_days
    group by customer_id
    union all
    select customer_id, min(day) as first_day, null as first_order_on
    from core.int_message_days
    group by customer_id
),

firsts as (
    select
        customer_id,
        min(first_day) as first_day,
        min(first_order_on) as first_order_on
    from activity
    group by customer_id
)

select
    customers.customer_id,
    customers.registered_on,
    customers.acquisition_channel,
    firsts.first_order_on,
    least(
        coalesce(customers.registered_on, firsts.first_day),
        coalesce(firsts.first_day, customers.registered_on)
    ) as first_seen_on
from core.dim_customer as customers
left join firsts
    on firsts.customer_id = customers.customer_id
