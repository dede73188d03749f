-- A product's last day by the night tells of any window up to it; for the 90 days before the last 90, so does its last
-- day by then. No window function: of its millions of partitions each would have a row or two.
with products as (
    select
        spine.customer_id,
        spine.night,
        items.product_id,
        max(items.ordered_on) as last_on,
        max(case when spine.night - items.ordered_on >= 90 then items.ordered_on end) as last_before_90d_on
    from features.customer_spine as spine
    inner join core.fct_order_items as items
        on items.customer_id = spine.customer_id
        and items.ordered_on <= spine.night
    group by spine.customer_id, spine.night, items.product_id
)

select
    customer_id,
    night,
    cast(count(*) as integer) as products,
    cast(sum(case when night - last_on < 30 then 1 else 0 end) as integer) as products_30d,
    cast(sum(case when night - last_on < 90 then 1 else 0 end) as integer) as products_90d,
    cast(sum(case when night - last_before_90d_on < 180 then 1 else 0 end) as integer) as products_before_90d,
    cast(sum(case when night - last_on < 365 then 1 else 0 end) as integer) as products_365d
from products
group by customer_id, night
