-- A line is due when it was received or its day has passed: what is not due yet can be neither late nor short.
with lines as (
    select
        coalesce(supplier_id, 'unknown') as supplier_id,
        supplier_name,
        purchase_order_id,
        product_id,
        ordered_on,
        received_on,
        is_open,
        is_overdue,
        lead_time_days,
        outstanding_units,
        received_amount,
        received_on is not null or coalesce(is_overdue, false) as is_due,
        expected_on is not null and (received_on is not null or is_overdue) as is_promise_due,
        coalesce(received_on <= expected_on, false) as is_on_time,
        quantity_ordered,
        case when quantity_received > quantity_ordered then quantity_ordered else quantity_received end as quantity_filled
    from core.fct_purchase_orders
),

names as (
    select
        supplier_id,
        supplier_name,
        row_number() over (
            partition by supplier_id
            order by ordered_on desc nulls last, purchase_order_id desc nulls last, product_id nulls last
        ) as recency
    from lines
    where supplier_name is not null
),

orders as (
    select
        supplier_id,
        count(*) as purchase_orders
    from (select supplier_id, purchase_order_id from lines group by supplier_id, purchase_order_id) as distinct_orders
    group by supplier_id
),

totals as (
    select
        supplier_id,
        count(*) as order_lines,
        sum(case when is_open then 1 else 0 end) as open_lines,
        sum(case when is_overdue then 1 else 0 end) as overdue_lines,
        sum(outstanding_units) as outstanding_units,
        sum(received_amount) as received_amount,
        sum(lead_time_days) as lead_time_days,
        min(lead_time_days) as shortest_lead_time_days,
        max(lead_time_days) as longest_lead_time_days,
        count(lead_time_days) as received_lines,
        sum(case when is_promise_due then 1 else 0 end) as promised_lines,
        sum(case when is_promise_due and is_on_time then 1 else 0 end) as on_time_lines,
        sum(case when is_due then quantity_ordered end) as due_units,
        sum(case when is_due and quantity_ordered is not null then quantity_filled end) as filled_units,
        max(ordered_on) as last_ordered_on
    from lines
    group by supplier_id
)

select
    totals.supplier_id,
    names.supplier_name,
    orders.purchase_orders,
    totals.order_lines,
    cast(totals.open_lines as bigint) as open_lines,
    cast(totals.overdue_lines as bigint) as overdue_lines,
    cast(totals.outstanding_units as bigint) as outstanding_units,
    cast(totals.received_amount as decimal(18, 4)) as received_amount,
    cast(totals.lead_time_days as double) / nullif(cast(totals.received_lines as double), 0) as average_lead_time_days,
    totals.shortest_lead_time_days,
    totals.longest_lead_time_days,
    cast(totals.on_time_lines as double) / nullif(cast(totals.promised_lines as double), 0) as on_time_rate,
    cast(totals.filled_units as double) / nullif(cast(totals.due_units as double), 0) as fill_rate,
    totals.last_ordered_on
from totals
inner join orders
    on orders.supplier_id = totals.supplier_id
left join names
    on names.supplier_id = totals.supplier_id
    and names.recency = 1
