-- The first assignment holds: who is put in a second variant later has already seen the first.
-- An exposure before the assignment is a fault of the tool and does not count. A night's assignments and exposures
-- bring their subjects anew, with all that was known of them.
with deliveries as (
    select experiment, subject_id, delivered_on
    from staging.stg_shop__experiment_assignments
    where delivered_on >= $window_start and delivered_on < $window_end
    union all
    select experiment, subject_id, delivered_on
    from staging.stg_shop__experiment_exposures
    where delivered_on >= $window_start and delivered_on < $window_end
),

touched as (
    select
        experiment,
        subject_id,
        max(delivered_on) as changed_on
    from deliveries
    group by experiment, subject_id
),

subjects as (
    select
        assignments.experiment,
        assignments.subject_id,
        max(touched.changed_on) as changed_on,
        min(assignments.assigned_at) as assigned_at,
        min(assignments.variant) <> max(assignments.variant) as is_contaminated
    from touched
    inner join staging.stg_shop__experiment_assignments as assignments
        on assignments.experiment = touched.experiment
        and assignments.subject_id = touched.subject_id
    group by assignments.experiment, assignments.subject_id
),

first_variants as (
    select
        subjects.experiment,
        subjects.subject_id,
        subjects.assigned_at,
        subjects.is_contaminated,
        subjects.changed_on,
        min(assignments.variant) as variant
    from subjects
    inner join staging.stg_shop__experiment_assignments as assignments
        on assignments.experiment = subjects.experiment
        and assignments.subject_id = subjects.subject_id
        and assignments.assigned_at = subjects.assigned_at
    group by
        subjects.experiment, subjects.subject_id, subjects.assigned_at, subjects.is_contaminated, subjects.changed_on
),

exposed as (
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
)

select
    first_variants.experiment,
    first_variants.subject_id,
    first_variants.variant,
    first_variants.assigned_at,
    first_variants.is_contaminated,
    exposed.first_exposed_at,
    case when exports.has_exposures then coalesce(exposed.exposures, 0) end as exposures,
    first_variants.changed_on
from first_variants
cross join core.int_exports as exports
left join exposed
    on exposed.experiment = first_variants.experiment
    and exposed.subject_id = first_variants.subject_id
