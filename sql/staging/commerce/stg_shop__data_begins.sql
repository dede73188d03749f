-- From when on each export is complete, where its contract says so. A project whose orders come from a source of
-- another name replaces this model.
select
    cast(1 as integer) as id,
    min(case when source = 'orders' then data_begins end) as orders_on,
    min(case when source = 'sessions' then data_begins end) as sessions_on,
    min(case when source = 'messages' then data_begins end) as emails_on,
    min(case when source = 'refunds' then data_begins end) as refunds_on
from staging.stg_buho__sources
