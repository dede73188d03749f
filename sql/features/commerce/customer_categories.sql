-- The smallest text is that of the category bought on most days; of equal ones the first by name.
with category_days as (
    select items.customer_id, listings.category, items.ordered_on as day
    from core.fct_order_items as items
    inner join staging.stg_shop__first_listings as listings
        on listings.product_id = items.product_id
    where items.customer_id is not null
    group by items.customer_id, listings.category, items.ordered_on
),

categories as (
    select
        customer_id,
        category,
        day,
        row_number() over (partition by customer_id, category order by day nulls last) as days_so_far,
        lead(day) over (partition by customer_id, category order by day nulls last) as next_day
    from category_days
),

aged as (
    select
        spine.customer_id,
        spine.night,
        categories.category,
        categories.days_so_far,
        cast(spine.night - categories.day as integer) as age
    from features.customer_spine as spine
    inner join categories
        on categories.customer_id = spine.customer_id
        and categories.day <= spine.night
        and (categories.next_day is null or categories.next_day > spine.night)
)

select
    customer_id,
    night,
    cast(count(*) as integer) as categories,
    cast(sum(case when age < 90 then 1 else 0 end) as integer) as categories_90d,
    cast(sum(case when age < 365 then 1 else 0 end) as integer) as categories_365d,
    min(concat(lpad(cast(1000000 - days_so_far as varchar), 7, '0'), category)) as favourite
from aged
group by customer_id, night
