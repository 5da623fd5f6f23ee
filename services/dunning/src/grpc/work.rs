//! `WorkService`: each method is where its subject is.

use mahnwerk_proto::dunning::v1::{
    ClaimTaskRequest, ClaimTaskResponse, CompleteTaskRequest, CompleteTaskResponse,
    CreatePauseRequest, CreatePauseResponse, EndPauseRequest, EndPauseResponse,
    ExplainDebtorRequest, ExplainDebtorResponse, GetDispatchRequest, GetDispatchResponse,
    ListPausesRequest, ListPausesResponse, ListTasksRequest, ListTasksResponse,
    ReportDeliveryRequest, ReportDeliveryResponse, SetDispatchRequest, SetDispatchResponse,
    SetManualModeRequest, SetManualModeResponse, work_service_server::WorkService,
};
use tonic::{Request, Response, Status};

use super::{Api, delivery, pause, task, work_explain};

#[tonic::async_trait]
impl WorkService for Api {
    async fn explain_debtor(
        &self,
        request: Request<ExplainDebtorRequest>,
    ) -> Result<Response<ExplainDebtorResponse>, Status> {
        work_explain::explain_debtor(&self.app, request).await
    }

    async fn create_pause(
        &self,
        request: Request<CreatePauseRequest>,
    ) -> Result<Response<CreatePauseResponse>, Status> {
        pause::create_pause(&self.app, request).await
    }

    async fn end_pause(
        &self,
        request: Request<EndPauseRequest>,
    ) -> Result<Response<EndPauseResponse>, Status> {
        pause::end_pause(&self.app, request).await
    }

    async fn list_pauses(
        &self,
        request: Request<ListPausesRequest>,
    ) -> Result<Response<ListPausesResponse>, Status> {
        pause::list_pauses(&self.app, request).await
    }

    async fn set_manual_mode(
        &self,
        request: Request<SetManualModeRequest>,
    ) -> Result<Response<SetManualModeResponse>, Status> {
        pause::set_manual_mode(&self.app, request).await
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        task::list_tasks(&self.app, request).await
    }

    async fn claim_task(
        &self,
        request: Request<ClaimTaskRequest>,
    ) -> Result<Response<ClaimTaskResponse>, Status> {
        task::claim_task(&self.app, request).await
    }

    async fn complete_task(
        &self,
        request: Request<CompleteTaskRequest>,
    ) -> Result<Response<CompleteTaskResponse>, Status> {
        task::complete_task(&self.app, request).await
    }

    async fn report_delivery(
        &self,
        request: Request<ReportDeliveryRequest>,
    ) -> Result<Response<ReportDeliveryResponse>, Status> {
        delivery::report_delivery(&self.app, request).await
    }

    async fn get_dispatch(
        &self,
        request: Request<GetDispatchRequest>,
    ) -> Result<Response<GetDispatchResponse>, Status> {
        delivery::get_dispatch(&self.app, request).await
    }

    async fn set_dispatch(
        &self,
        request: Request<SetDispatchRequest>,
    ) -> Result<Response<SetDispatchResponse>, Status> {
        delivery::set_dispatch(&self.app, request).await
    }
}
