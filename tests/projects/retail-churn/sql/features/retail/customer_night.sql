-- What was known of each customer by the row's night.
with known as (
    select
        s.customer_id,
        s.night,
        p.day,
        p.invoices,
        p.products,
        p.amount,
        p.country
    from features.customer_spine as s
    inner join staging.stg_retail__purchases as p
        on p.customer_id = s.customer_id and p.day <= s.night
)

select
    customer_id,
    night,
    cast(night - max(day) as integer) as days_since_last_order,
    cast(night - min(day) as integer) as tenure_days,
    cast(count(day) as bigint) as order_days,
    cast(sum(invoices) as bigint) as invoices,
    cast(sum(amount) as decimal(18, 2)) as amount,
    cast(max(products) as bigint) as most_products,
    cast(sum(case when day > night - interval '30' day then 1 else 0 end) as bigint) as order_days_30,
    cast(sum(case when day > night - interval '90' day then 1 else 0 end) as bigint) as order_days_90,
    cast(sum(case when day > night - interval '90' day then amount else 0 end) as decimal(18, 2)) as amount_90,
    min(country) as country
from known
group by customer_id, night
