-- The newest delivery of a customer wins as a whole: a column it leaves empty is empty now.
with deliveries as (
    select
        customer_id,
        email,
        phone,
        first_name,
        last_name,
        registered_at,
        birth_date,
        gender,
        country,
        city,
        postal_code,
        acquisition_channel,
        language,
        consent_email,
        consent_sms,
        updated_at,
        row_number() over (
            partition by customer_id
            order by _delivery desc nulls last, _record desc nulls last
        ) as recency
    from bronze.customers
)

select
    customer_id,
    lower(trim(email)) as email,
    phone,
    first_name,
    last_name,
    registered_at,
    birth_date,
    lower(trim(gender)) as gender,
    upper(trim(country)) as country,
    city,
    postal_code,
    lower(trim(acquisition_channel)) as acquisition_channel,
    lower(trim(language)) as language,
    consent_email,
    consent_sms,
    updated_at
from deliveries
where recency = 1
