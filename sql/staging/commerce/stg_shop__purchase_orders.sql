-- The newest delivery of a purchase order's product wins as a whole.
with deliveries as (
    select
        purchase_order_id,
        supplier_id,
        supplier_name,
        product_id,
        ordered_on,
        expected_on,
        received_on,
        quantity_ordered,
        quantity_received,
        unit_cost,
        row_number() over (
            partition by purchase_order_id, product_id
            order by _delivery desc nulls last, _record desc nulls last
        ) as recency
    from bronze.purchase_orders
)

select
    purchase_order_id,
    supplier_id,
    supplier_name,
    product_id,
    ordered_on,
    expected_on,
    received_on,
    quantity_ordered,
    quantity_received,
    unit_cost
from deliveries
where recency = 1
