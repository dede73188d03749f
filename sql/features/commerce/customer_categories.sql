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
        spine.customer_id,
        spine.night,
        category_days.category,
        count(*) as days,
        max(category_days.day) as last_on
    from features.customer_spine as spine
    inner join category_days
        on category_days.customer_id = spine.customer_id
        and category_days.day <= spine.night
    group by spine.customer_id, spine.night, category_days.category
)

select
    customer_id,
    night,
    cast(count(*) as integer) as categories,
    cast(sum(case when night - last_on < 90 then 1 else 0 end) as integer) as categories_90d,
    cast(sum(case when night - last_on < 365 then 1 else 0 end) as integer) as categories_365d,
    min(concat(lpad(cast(1000000 - days as varchar), 7, '0'), category)) as favourite
from categories
group by customer_id, night
