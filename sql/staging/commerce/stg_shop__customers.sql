-- The newest delivery of a customer wins as a whole: a column it leaves empty is empty now.
-- The version rises by delivery, then by record; a group and a join keep whole rows out of a sort.
with newest as (
    select
        customer_id,
        max(_delivery * 1000000000000 + _record) as version
    from bronze.customers
    group by customer_id
)

select
    customers.customer_id,
    lower(trim(customers.email)) as email,
    customers.phone,
    customers.first_name,
    customers.last_name,
    customers.registered_at,
    customers.birth_date,
    lower(trim(customers.gender)) as gender,
    upper(trim(customers.country)) as country,
    customers.city,
    customers.postal_code,
    lower(trim(customers.acquisition_channel)) as acquisition_channel,
    lower(trim(customers.language)) as language,
    customers.consent_email,
    customers.consent_sms,
    customers.updated_at
from newest
inner join bronze.customers as customers
    on customers.customer_id = newest.customer_id
    and customers._delivery * 1000000000000 + customers._record = newest.version
