with product_days as (
    select customer_id, product_id, ordered_on as day
    from core.fct_order_items
    where customer_id is not null
    group by customer_id, product_id, ordered_on
),

-- Of equal products the last by a night: counting rows then counts products, in any window.
products as (
    select
        customer_id,
        day,
        lead(day) over (partition by customer_id, product_id order by day nulls last) as next_day
    from product_days
),

-- Unless it was bought again before, a row that is the last of its product 90 days ago counts there.
aged as (
    select
        spine.customer_id,
        spine.night,
        cast(spine.night - products.day as integer) as age,
        products.next_day is null or products.next_day > spine.night as is_last
    from features.customer_spine as spine
    inner join products
        on products.customer_id = spine.customer_id
        and products.day <= spine.night
        and (products.next_day is null or spine.night - products.next_day < 90)
)

select
    customer_id,
    night,
    cast(sum(case when is_last then 1 else 0 end) as integer) as products,
    cast(sum(case when is_last and age < 30 then 1 else 0 end) as integer) as products_30d,
    cast(sum(case when is_last and age < 90 then 1 else 0 end) as integer) as products_90d,
    cast(sum(case when age >= 90 and age < 180 then 1 else 0 end) as integer) as products_before_90d,
    cast(sum(case when is_last and age < 365 then 1 else 0 end) as integer) as products_365d
from aged
group by customer_id, night
