-- A line is closed when the last of it has arrived; what is missing then will not come.
select
    purchase_order_id,
    product_id,
    supplier_id,
    supplier_name,
    ordered_on,
    expected_on,
    received_on,
    quantity_ordered,
    quantity_received,
    unit_cost,
    received_on is null as is_open,
    cast(received_on - ordered_on as integer) as lead_time_days,
    received_on is null and expected_on < $night as is_overdue,
    cast(case
        when received_on is not null then 0
        when quantity_ordered < quantity_received then 0
        else quantity_ordered - coalesce(quantity_received, 0)
    end as integer) as outstanding_units,
    cast(quantity_received * unit_cost as decimal(18, 4)) as received_amount
from staging.stg_shop__purchase_orders
