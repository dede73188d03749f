-- Everything counts on the day of the order, so that a slow week is seen where it began. Sums of whole
-- seconds are exact; only the last division is not.
with days as (
    select
        ordered_on as day,
        coalesce(carrier, 'unknown') as carrier,
        count(*) as shipments,
        count(shipped_at) as shipped,
        count(delivered_at) as delivered,
        sum(case when status = 'lost' then 1 else 0 end) as lost,
        sum(case when status = 'returned' then 1 else 0 end) as returned,
        sum(seconds_to_ship) as seconds_to_ship,
        sum(seconds_to_deliver) as seconds_to_deliver,
        count(is_on_time) as promised,
        sum(case when is_on_time then 1 else 0 end) as on_time,
        sum(case when items_correct is not null then items_shipped end) as checked_items,
        sum(case when items_shipped is not null then items_correct end) as correct_items
    from core.fct_shipments
    where ordered_on is not null
    group by ordered_on, coalesce(carrier, 'unknown')
)

select
    day,
    carrier,
    shipments,
    shipped,
    delivered,
    shipments - shipped as waiting,
    cast(lost as bigint) as lost,
    cast(returned as bigint) as returned,
    cast(seconds_to_ship as double) / nullif(cast(shipped as double), 0) / 3600 as average_hours_to_ship,
    cast(seconds_to_deliver as double) / nullif(cast(delivered as double), 0) / 86400 as average_days_to_deliver,
    cast(on_time as double) / nullif(cast(promised as double), 0) as on_time_rate,
    cast(correct_items as double) / nullif(cast(checked_items as double), 0) as accuracy_rate
from days
