//! Why something happens to a debtor, or why not, on the wire.

use mahnwerk_proto::dunning::v1::{ExplainDebtorRequest, ExplainDebtorResponse};
use mahnwerk_runtime::{
    context::Call,
    validate::{Checker, from_date},
};
use tonic::{Request, Response, Status};

use super::{convert_notice::notice_message, convert_plan as convert};
use crate::app::{App, letter::written_in};

pub(super) async fn explain_debtor(
    app: &App,
    request: Request<ExplainDebtorRequest>,
) -> Result<Response<ExplainDebtorResponse>, Status> {
    let deadline = Call::of(&request).deadline;
    let r = request.into_inner();
    let mut check = Checker::new();
    check.key("creditor_id", &r.creditor_id);
    check.key("debtor_id", &r.debtor_id);
    check.finish()?;
    let explained = app
        .explain(&r.creditor_id, &r.debtor_id, &r.at_least, deadline)
        .await?;
    let plan = &explained.plan;
    let procedure = convert::procedure(&plan.procedure);
    let notices = plan.notices.iter().map(|notice| {
        let mut notice = convert::notice(notice);
        notice.creditor_id.clone_from(&r.creditor_id);
        notice.debtor_id.clone_from(&r.debtor_id);
        let language = written_in(&explained.subject.addressee.language);
        notice.language = language.code().to_owned();
        notice.procedure.clone_from(&procedure);
        notice.notice_date = Some(from_date(plan.business_date));
        notice
    });
    let tasks = plan.tasks.iter();
    let current = explained.current.iter();
    let current = current.map(|notice| notice_message(notice, None));
    Ok(Response::new(ExplainDebtorResponse {
        business_date: Some(from_date(plan.business_date)),
        segment_id: explained.subject.input.debtor.segment.clone(),
        notices: notices.collect(),
        procedure,
        findings: plan.findings.iter().map(convert::finding).collect(),
        tasks: tasks
            .map(|task| convert::task_kind(task.kind).into())
            .collect(),
        next_evaluation: plan.next_evaluation.map(from_date),
        current_notices: current.collect(),
    }))
}
