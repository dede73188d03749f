-- The smallest text is that of the category bought on most days; of equal ones the first by name.
-- Joined to the spine first: an engine that looks up few customers then holds these, and not what everybody bought.
with category_days as (
    select
        spine.customer_id,
        spine.night,
        listings.category,
        items.ordered_on as day
    from features.customer_spine as spine
    inner join core.fct_order_items as items
        on items.customer_id = spine.customer_id
        and items.ordered_on <= spine.night
    inner join staging.stg_shop__first_listings as listings
        on listings.product_id = items.product_id
    group by spine.customer_id, spine.night, listings.category, items.ordered_on
),

categories as (
    select
        customer_id,
        night,
        category,
        count(*) as days,
        max(day) as last_on
    from category_days
    group by customer_id, night, category
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
