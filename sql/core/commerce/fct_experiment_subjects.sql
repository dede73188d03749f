-- The first assignment holds: who is put in a second variant later has already seen the first.
-- An exposure before the assignment is a fault of the tool and does not count.
with assignments as (
    select
        experiment,
        subject_id,
        variant,
        assigned_at,
        row_number() over (
            partition by experiment, subject_id order by assigned_at nulls last, variant nulls last
        ) as position,
        min(variant) over (partition by experiment, subject_id) as lowest_variant,
        max(variant) over (partition by experiment, subject_id) as highest_variant
    from staging.stg_shop__experiment_assignments
),

subjects as (
    select
        experiment,
        subject_id,
        variant,
        assigned_at,
        lowest_variant <> highest_variant as is_contaminated
    from assignments
    where position = 1
),

exposures as (
    select
        subjects.experiment,
        subjects.subject_id,
        min(exposures.exposed_at) as first_exposed_at,
        count(*) as exposures
    from subjects
    inner join staging.stg_shop__experiment_exposures as exposures
        on exposures.experiment = subjects.experiment
        and exposures.subject_id = subjects.subject_id
        and exposures.exposed_at >= subjects.assigned_at
    group by subjects.experiment, subjects.subject_id
),

exports as (
    select count(*) > 0 as has_exposures
    from staging.stg_shop__experiment_exposures
)

select
    subjects.experiment,
    subjects.subject_id,
    subjects.variant,
    subjects.assigned_at,
    subjects.is_contaminated,
    exposures.first_exposed_at,
    case when exports.has_exposures then coalesce(exposures.exposures, 0) end as exposures
from subjects
cross join exports
left join exposures
    on exposures.experiment = subjects.experiment
    and exposures.subject_id = subjects.subject_id
