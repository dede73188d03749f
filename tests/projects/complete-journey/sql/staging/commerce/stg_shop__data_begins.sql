-- Orders are receipts of one export.
select
    cast(1 as integer) as id,
    min(data_begins) as orders_on,
    cast(null as date) as sessions_on,
    cast(null as date) as emails_on,
    cast(null as date) as refunds_on
from staging.stg_buho__sources
where source = 'transactions'
