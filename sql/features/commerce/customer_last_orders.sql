select
    spine.customer_id,
    spine.night,
    max(purchases.day) as last_order_on
from features.customer_spine as spine
left join core.int_order_days as purchases
    on purchases.customer_id = spine.customer_id
    and purchases.day <= spine.night
group by spine.customer_id, spine.night
